using './main.bicep'

// What `azd` reads: values of the azd environment (`azd env set NAME VALUE`), and for a first
// `azd up` the sizes of a development environment.
param environmentName = readEnvironmentVariable('AZURE_ENV_NAME', 'dev')
param location = readEnvironmentVariable('AZURE_LOCATION', 'westeurope')
param storageSku = readEnvironmentVariable('MARGINAL_STORAGE_SKU', 'Standard_LRS')
param maximumInstanceCount = int(readEnvironmentVariable('MARGINAL_MAXIMUM_INSTANCES', '40'))
param alwaysReadyHttpInstances = int(readEnvironmentVariable('MARGINAL_ALWAYS_READY', '0'))
param corsOrigins = readEnvironmentVariable('CORS_ORIGINS', '')
param refitSchedule = readEnvironmentVariable('REFIT_SCHEDULE', '0 0 3 * * *')
param alertEmails = filter(split(readEnvironmentVariable('ALERT_EMAILS', ''), ','), email => !empty(email))
