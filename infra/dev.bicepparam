using './main.bicep'

// Small and cheap: scales to zero, keeps little.
param environmentName = 'dev'
param storageSku = 'Standard_LRS'
param maximumInstanceCount = 40
param httpConcurrency = 1
param alwaysReadyHttpInstances = 0
param logRetentionDays = 30
param dailyLogQuotaGb = 1
param softDeleteDays = 7
param blobVersionDays = 14
// Nobody is woken by a development environment.
param alertEmails = []
param alertsEnabled = false
